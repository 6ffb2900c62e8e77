// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The matrices that were rounded as if there were no texts, by the reason.
final class Uncalibrated {
    private final Map<String, List<String>> names = new LinkedHashMap<>();

    /// Adds a matrix if there is a reason.
    void add(String name, Optional<String> reason) {
        reason.ifPresent(each -> names.computeIfAbsent(each, _ -> new ArrayList<>()).add(name));
    }

    /// Returns a line for each reason.
    List<String> lines() {
        return names.entrySet().stream()
                .map(
                        each ->
                                "%d matrices, such as %s, were rounded without calibration: %s"
                                        .formatted(
                                                each.getValue().size(),
                                                each.getValue().getFirst(),
                                                each.getKey()))
                .toList();
    }
}
