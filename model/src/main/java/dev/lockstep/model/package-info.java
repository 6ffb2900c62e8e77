/// Models: how a checkpoint is cut over ranks, loaded and run. Written once against `Kernels` and
/// `Communicator`; nothing here knows a CPU from a GPU or asks for the rank count outside [Shard].
@NullMarked
package dev.lockstep.model;

import org.jspecify.annotations.NullMarked;
