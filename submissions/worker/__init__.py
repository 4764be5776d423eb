"""What runs on a worker host: containers of one evaluation, their reaper, the heartbeat."""
