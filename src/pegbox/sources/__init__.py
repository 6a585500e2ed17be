"""What others have kept of their searches: Optuna's studies, MLflow's experiments, jobs of an AWS account.

Each source is read by what its files, tables or answers are, so none of the others' libraries is needed.
"""
