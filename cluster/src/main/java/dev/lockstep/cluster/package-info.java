// SPDX-License-Identifier: Apache-2.0
/// Membership, leadership and epochs through ZooKeeper, and the names of KV blocks.
@NullMarked
package dev.lockstep.cluster;

import org.jspecify.annotations.NullMarked;
