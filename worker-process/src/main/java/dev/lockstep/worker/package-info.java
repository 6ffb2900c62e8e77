// SPDX-License-Identifier: Apache-2.0
/// The worker process: the weights of a shard, KV memory, the device, sampling.
///
/// Laws of this package:
/// - [StepRunner] is the one thread that uses the device; other threads send it commands.
/// - A worker runs each (epoch, step number) once, in order, and refuses an epoch that is not above
///   the highest it has seen: the worker is the fence.
/// - A worker knows no queue and no policy: the scheduler assigns slots, blocks and rows.
@NullMarked
package dev.lockstep.worker;

import org.jspecify.annotations.NullMarked;
