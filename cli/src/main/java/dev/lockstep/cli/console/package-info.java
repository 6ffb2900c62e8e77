// SPDX-License-Identifier: Apache-2.0
/// The progress of long work on a terminal, and the errors that a user must correct.
@NullMarked
package dev.lockstep.cli.console;

import org.jspecify.annotations.NullMarked;
