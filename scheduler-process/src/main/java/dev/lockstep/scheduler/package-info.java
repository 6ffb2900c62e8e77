// SPDX-License-Identifier: Apache-2.0
/// The pure core of the scheduler: sequences, queues, KV blocks and the plan of every step of one
/// group. It uses no clock, thread, socket or file; time is an argument.
///
/// In reading order:
/// 1. a request becomes one [Sequence] per choice; [Scheduler#submit] queues them
/// 2. [Scheduler#plan]: [CapacityScheduler] decides which sequences hold memory,
///    [MicroBatchScheduler] how many tokens each runs, [KvCacheManager] assigns the blocks; the
///    result is a [StepPlan]
/// 3. [Scheduler#apply] turns a [StepResult] into [SequenceEvent]s
///
/// Laws kept here: a step is identified by (epoch, number); blocks and slots that a sequence gives
/// up are free only when every step sent earlier has completed; running sequences are in the order
/// they were admitted.
@NullMarked
package dev.lockstep.scheduler;

import org.jspecify.annotations.NullMarked;
