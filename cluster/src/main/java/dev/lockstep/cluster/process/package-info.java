// SPDX-License-Identifier: Apache-2.0
/// The common parts of every process: settings, life cycle, failpoints, clock, randomness and
/// digests. Independent of all other processes.
@NullMarked
package dev.lockstep.cluster.process;

import org.jspecify.annotations.NullMarked;
