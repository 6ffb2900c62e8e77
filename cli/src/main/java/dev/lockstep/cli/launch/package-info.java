// SPDX-License-Identifier: Apache-2.0
/// Starts, watches, restarts and stops the processes of one host ([Launcher]). It depends on no
/// command.
@NullMarked
package dev.lockstep.cli.launch;

import org.jspecify.annotations.NullMarked;
