"""What more than one model needs: configurations, checkpoints, states of unfinished trainings."""
