/// What speaks to schedulers: [SchedulerClient] knows them all and sends each prompt to one,
/// [Router] chooses it by load and by what [BlockWatch] knows of its prefix cache, [SchedulerCall]
/// is one running call, whose events arrive in the [CompletionInbox] of its completion.
///
/// Token ids only: this package knows no text and no client.
@NullMarked
package dev.lockstep.coordinator.engine;

import org.jspecify.annotations.NullMarked;
