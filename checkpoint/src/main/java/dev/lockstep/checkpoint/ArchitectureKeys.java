// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Optional;
import java.util.OptionalDouble;

/// The GGUF metadata keys that begin with the name of an architecture, and are named without it
/// here.
record ArchitectureKeys(GgufMetadata metadata, String architecture) {

    String key(String name) {
        return architecture + "." + name;
    }

    boolean has(String name) {
        return metadata.has(key(name));
    }

    Optional<Integer> size(String name) {
        return metadata.size(key(name));
    }

    /// Returns a number from 1 to `max`.
    int requireSize(String name, int max) {
        int value = size(name).orElseThrow(() -> missing(name));
        if (value < 1 || value > max) {
            throw wrong(name, value, "a number from 1 to " + max);
        }
        return value;
    }

    OptionalDouble number(String name) {
        return metadata.number(key(name));
    }

    double number(String name, double absent) {
        return number(name).orElse(absent);
    }

    boolean flag(String name, boolean absent) {
        return metadata.flag(key(name)).orElse(absent);
    }

    CheckpointException missing(String name) {
        return metadata.missing(key(name));
    }

    CheckpointException wrong(String name, Object value, String expected) {
        return metadata.wrong(key(name), value, expected);
    }
}
