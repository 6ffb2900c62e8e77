/// The scheduler process: sequences, queues, KV blocks and the plan of every step of one group.
///
/// A pure core decides and a thin world acts. To read it in the order of a request:
/// 1. [SchedulerService] takes a call, [GenerateRequest] checks it, [RequestStream] is its way back
/// 2. [StepLoop], the one thread that owns every sequence, makes a [Sequence] per choice
/// 3. [Scheduler#plan]: [CapacityScheduler] says who may hold memory, [MicroBatchScheduler] how
///    many tokens each runs, [KvCacheManager] hands out the blocks; the result is a [StepPlan]
/// 4. [WorkerGroup] sends it to every rank over a [RankStream] and gathers the answers
/// 5. [Scheduler#apply] turns a [StepResult] into [SequenceEvent]s, which go out by step 1's stream
///
/// Beside it [GroupKeeper] forms the group ([Handshake]) and forms it again when a rank is lost.
///
/// Laws kept here: a step is numbered by (epoch, number) and sent once; blocks and slots that a
/// sequence gives up return only when every step sent before has completed; running, then waiting,
/// is the order of arrival; the core ([Scheduler] and all it calls) knows no clock, thread or
/// socket.
@NullMarked
package dev.lockstep.scheduler;

import org.jspecify.annotations.NullMarked;

