/// The world around the scheduler's core: threads, gRPC, files, and the forming of the group.
///
/// In the order of a request: [SchedulerService] takes a call, [GenerateRequest] checks it,
/// [StepLoopInbox] carries it to [StepLoop], the one thread that owns the core, and [RequestStream]
/// is the way back. [WorkerGroup] sends each step to every rank over a [RankStream]. [GroupKeeper]
/// forms the group ([Handshake]) and forms it again when a rank is lost.
///
/// Only this package knows generated protobuf types; each class that speaks gRPC turns them into
/// records of the core.
@NullMarked
package dev.lockstep.scheduler.process;

import org.jspecify.annotations.NullMarked;
