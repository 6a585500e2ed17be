"""What training programs have printed, as events with times."""
