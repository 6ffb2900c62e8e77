// SPDX-License-Identifier: Apache-2.0
/// Communication with schedulers: [SchedulerClient] watches them all and sends each prompt to one,
/// [Router] chooses it by load and by the contents of its prefix cache, which [BlockWatch] follows;
/// [SchedulerCall] is one running call, whose events go to the [CompletionInbox] of its completion.
///
/// This package handles token ids only, neither text nor clients.
@NullMarked
package dev.lockstep.coordinator.engine;

import org.jspecify.annotations.NullMarked;
