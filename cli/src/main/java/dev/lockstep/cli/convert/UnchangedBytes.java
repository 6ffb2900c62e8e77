// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.cli.console.Terminal;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/// The bytes of tensors that a conversion leaves as they are, by the reason.
final class UnchangedBytes {
    private final Map<String, Long> bytes = new LinkedHashMap<>();

    /// Adds the bytes of a tensor.
    ///
    /// @param reason what such tensors have in common
    void add(String reason, long count) {
        if (count > 0) {
            bytes.merge(reason, count, Long::sum);
        }
    }

    /// Returns all bytes and those of each reason, the largest first.
    @Override
    public String toString() {
        long all = bytes.values().stream().mapToLong(Long::longValue).sum();
        String parts =
                bytes.entrySet().stream()
                        .sorted(Map.Entry.comparingByValue(Comparator.reverseOrder()))
                        .map(
                                each ->
                                        "%s %s"
                                                .formatted(
                                                        Terminal.bytes(each.getValue()),
                                                        each.getKey()))
                        .collect(Collectors.joining("; "));
        return parts.isEmpty() ? Terminal.bytes(0) : Terminal.bytes(all) + ": " + parts;
    }
}
