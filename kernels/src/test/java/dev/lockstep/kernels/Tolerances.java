// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// How far an implementation may be from a loop in double, per kind of op: a multiple of the bound
/// that the test states for F32 arithmetic.
///
/// The rounding of a result to a shorter activation type is not part of it: [Rounding#requireClose]
/// adds that.
///
/// @param elements of ops that compute each element by itself, without a function such as tanh
/// @param functions of activations and caps
/// @param norms of sums over a row and what is divided by them
/// @param products of matrices
/// @param attention of attention
/// @param experts of experts, with their routing
/// @param probabilities of logarithms of probabilities
public record Tolerances(
        double elements,
        double functions,
        double norms,
        double products,
        double attention,
        double experts,
        double probabilities) {
    /// The bounds as the tests state them.
    public static final Tolerances STATED = new Tolerances(1, 1, 1, 1, 1, 1, 1);
}
