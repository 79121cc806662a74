"""What every room uses and none is about: refusals, shipped files, the device, batches, seeds."""
