package dev.lockstep.kernels;

/// What computes, for the start screen and the handshake.
///
/// @param name for people: the CPU's or GPU's name
/// @param instructionSet results are bit-equal only between equal ones
public record Device(String name, String instructionSet, int threads) {}
