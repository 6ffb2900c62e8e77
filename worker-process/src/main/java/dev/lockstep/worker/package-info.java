/// The worker process: the weights of a shard, KV memory, the device, sampling.
///
/// Laws of this package:
/// - [StepRunner] is the one thread that touches the device; everyone else sends it a message.
/// - A worker runs each (epoch, step number) once, in order, and refuses an epoch not above the
///   highest it has seen: the worker is the fence.
/// - It knows no queue and no policy: slots, blocks and rows come from the scheduler.
@NullMarked
package dev.lockstep.worker;

import org.jspecify.annotations.NullMarked;
