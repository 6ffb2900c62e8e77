// SPDX-License-Identifier: Apache-2.0
/// The `lockstep` command line: one class per command.
@NullMarked
package dev.lockstep.cli;

import org.jspecify.annotations.NullMarked;
