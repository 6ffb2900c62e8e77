// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.gpu;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// The facts and steps of a check as a table, worst news last, and as JSON.
///
/// @param complete whether no step is missing
record CheckReport(Map<String, String> facts, List<CheckedStep> steps, boolean complete) {
    private static final int NOTE = 160;

    CheckReport {
        steps =
                steps.stream()
                        .sorted(
                                Comparator.comparing(CheckedStep::outcome)
                                        .thenComparing(CheckedStep::name))
                        .toList();
    }

    /// Returns whether every step passed or was skipped, and at least one passed.
    boolean passed() {
        return steps.stream().anyMatch(step -> step.outcome() == CheckedStep.Outcome.PASSED)
                && steps.stream()
                        .map(CheckedStep::outcome)
                        .noneMatch(
                                outcome ->
                                        switch (outcome) {
                                            case PASSED, SKIPPED -> false;
                                            case NOT_RUN, CUT_OFF, FAILED -> true;
                                        });
    }

    String table() {
        var table = new StringBuilder();
        table.append(
                "%-8s %-44s %6s %7s %6s %7s  %s%n"
                        .formatted(
                                "result", "step", "passed", "skipped", "failed", "seconds",
                                "note"));
        for (CheckedStep step : steps) {
            String note = step.note();
            table.append(
                    "%-8s %-44s %6d %7d %6d %7.1f  %s%n"
                            .formatted(
                                    word(step.outcome()),
                                    step.name(),
                                    step.passed(),
                                    step.skips().size(),
                                    step.failures().size(),
                                    step.time().toMillis() / 1e3,
                                    note.length() > NOTE ? note.substring(0, NOTE) + "…" : note));
        }
        return table.toString();
    }

    void write(Path file) {
        var mapper = new ObjectMapper();
        ObjectNode root = mapper.createObjectNode();
        root.put("complete", complete);
        root.put("passed", complete && passed());
        ObjectNode facts = root.putObject("facts");
        this.facts.forEach(facts::put);
        ArrayNode all = root.putArray("steps");
        for (CheckedStep step : steps) {
            ObjectNode node = all.addObject();
            node.put("name", step.name());
            node.put("outcome", word(step.outcome()));
            node.put("passed", step.passed());
            node.put("seconds", step.time().toMillis() / 1e3);
            node.put("note", step.note());
            list(node.putArray("failures"), step.failures());
            list(node.putArray("skips"), step.skips());
        }
        try {
            mapper.writerWithDefaultPrettyPrinter().writeValue(file.toFile(), root);
        } catch (IOException failure) {
            throw new UncheckedIOException("cannot write " + file, failure);
        }
    }

    private static void list(ArrayNode array, List<CheckedStep.Entry> entries) {
        for (CheckedStep.Entry entry : entries) {
            array.addObject().put("test", entry.test()).put("reason", entry.reason());
        }
    }

    private static String word(CheckedStep.Outcome outcome) {
        return outcome.name().toLowerCase(Locale.ROOT).replace('_', ' ');
    }
}
