// SPDX-License-Identifier: Apache-2.0
/// Tests of the whole cluster as users run it: real processes, real sockets, a real ZooKeeper.
///
/// Every test starts its processes in a separate [Sandbox]. Waits for a process are bounded by
/// [BoundedWait#TIMEOUT]; a guaranteed time is measured with a `LoadAwareClock`.
@NullMarked
package dev.lockstep.it;

import org.jspecify.annotations.NullMarked;
