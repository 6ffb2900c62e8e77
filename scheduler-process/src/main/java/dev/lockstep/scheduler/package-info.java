/// Sequences, queues, KV blocks, the step plan.
@NullMarked
package dev.lockstep.scheduler;

import org.jspecify.annotations.NullMarked;
