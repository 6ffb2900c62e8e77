// SPDX-License-Identifier: Apache-2.0
/// The program of `scripts/gpu-check`: it runs all tests with the tag `gpu` on the GPUs of a
/// machine that has neither a build nor a network, each test class in a process of its own.
@NullMarked
package dev.lockstep.gpu;

import org.jspecify.annotations.NullMarked;
