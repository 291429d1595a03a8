"""What the command line shows of a config and of a call: findings, outline, story."""
