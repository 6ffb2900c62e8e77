// SPDX-License-Identifier: Apache-2.0
/// Communicator: host shared memory, solo; NCCL.
@NullMarked
package dev.lockstep.nccl;

import org.jspecify.annotations.NullMarked;
