/// The `lockstep` command: one class per command, and the launcher that starts and watches a host's
/// processes.
@NullMarked
package dev.lockstep.cli;

import org.jspecify.annotations.NullMarked;

