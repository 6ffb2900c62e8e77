// SPDX-License-Identifier: Apache-2.0
/// The scheduler process around the core: threads, gRPC, files, and the formation of the group.
///
/// In the order of a request: [SchedulerService] receives a call, [GenerateRequest] checks it,
/// [StepLoopInbox] passes it to [StepLoop], the one thread that owns the core, and [RequestStream]
/// returns the answer. [WorkerGroup] sends each step to every rank over a [RankStream].
/// [GroupKeeper] forms the group ([Handshake]) and forms it again when a rank is lost.
///
/// Only this package uses generated protobuf types; each class that uses gRPC converts them to
/// records of the core.
@NullMarked
package dev.lockstep.scheduler.process;

import org.jspecify.annotations.NullMarked;
