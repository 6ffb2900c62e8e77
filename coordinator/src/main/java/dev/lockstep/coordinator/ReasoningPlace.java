// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

/// Where clients find what a model thought.
public enum ReasoningPlace {
    /// Nowhere: it is generated and counted, but not sent.
    OFF,
    /// In a field of its own.
    SEPARATE,
    /// In the content, between the model's markers.
    INLINE
}
