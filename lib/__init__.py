"""A reproducible study of pruning deep spiking neural networks.

config    params.yaml -> frozen settings; paths
check     a whole params.yaml, before the first stage starts
errors    what a user is told, in one line
files     files that are whole or not there
data      data sets -> tensors in memory, fixed splits; sources, archives: where they come from
events    event streams: simulated from images, frames
models    spiking networks, built from SpikingJelly's neurons and layers
pruning   which channels matter, which come back, how many and when; removal
train     one loop: train, evaluate
ranks     what the devices of one training do together; launch: starts them
resume    where a stopped training goes on
measure   parameters, connectivity, synaptic operations, energy
results   write one run; load the tidy table
plots     one style for all figures
published what others have published
nbcode    notebook -> the code that DVC watches
"""
