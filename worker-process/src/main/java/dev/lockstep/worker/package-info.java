/// Weights of a shard, KV memory, the device, sampling.
@NullMarked
package dev.lockstep.worker;

import org.jspecify.annotations.NullMarked;
