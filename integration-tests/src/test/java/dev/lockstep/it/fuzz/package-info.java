// SPDX-License-Identifier: Apache-2.0
/// Fuzz tests, with Jazzer, of the readers of untrusted files: each reader in a separate JVM.
@NullMarked
package dev.lockstep.it.fuzz;

import org.jspecify.annotations.NullMarked;
