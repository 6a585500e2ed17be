"""The XGBoost algorithm: what it declares (light modules) and its trainer (`train`, imported by training processes)."""
