// SPDX-License-Identifier: Apache-2.0
/// Models: how a checkpoint is cut over ranks, loaded and run. Written once against `Kernels` and
/// `Communicator`; only [Shard] depends on the number of ranks, nothing on the kind of device.
@NullMarked
package dev.lockstep.model;

import org.jspecify.annotations.NullMarked;
