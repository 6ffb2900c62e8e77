// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.gpu;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/// What one process of the check has found.
final class CheckedStep {

    /// In the order of a report: worst news last.
    enum Outcome {
        PASSED,
        SKIPPED,
        NOT_RUN,
        CUT_OFF,
        FAILED
    }

    /// A test that did not pass, and why.
    record Entry(String test, String reason) {}

    private final String name;
    private final List<Entry> failures = new ArrayList<>();
    private final List<Entry> skips = new ArrayList<>();
    private int passed;
    private String running = "";
    private String note = "";
    private boolean cutOff;
    private Duration time = Duration.ZERO;

    CheckedStep(String name) {
        this.name = name;
    }

    static CheckedStep notRun(String name, String reason) {
        var step = new CheckedStep(name);
        step.note = reason;
        return step;
    }

    void accept(Line line) {
        switch (line.kind()) {
            case STARTED -> running = line.name();
            case PASSED -> {
                passed++;
                running = "";
            }
            case SKIPPED -> {
                skips.add(new Entry(line.name(), line.text()));
                running = "";
            }
            case FAILED -> {
                failures.add(new Entry(line.name(), line.text()));
                running = "";
            }
            case FACT, CLASS -> {}
        }
    }

    void end(WatchedProcess.Result result, Duration time) {
        this.time = time;
        String during = running.isEmpty() ? "" : " in " + running;
        switch (result.ending()) {
            case SILENT -> {
                cutOff = true;
                note = "hung and was cut off" + during;
            }
            case LATE -> {
                cutOff = true;
                note = "was cut off, no time was left" + during;
            }
            case EXITED -> {
                if (result.code() != 0) {
                    String last = result.output().isEmpty() ? "" : ": " + result.output().getLast();
                    failures.add(
                            new Entry(name, "ended with status " + result.code() + during + last));
                } else if (passed + skips.size() + failures.size() == 0) {
                    failures.add(new Entry(name, "ran no test"));
                }
            }
        }
    }

    Outcome outcome() {
        if (!failures.isEmpty()) {
            return Outcome.FAILED;
        }
        if (cutOff) {
            return Outcome.CUT_OFF;
        }
        if (passed > 0) {
            return Outcome.PASSED;
        }
        return skips.isEmpty() ? Outcome.NOT_RUN : Outcome.SKIPPED;
    }

    String name() {
        return name;
    }

    int passed() {
        return passed;
    }

    List<Entry> skips() {
        return List.copyOf(skips);
    }

    List<Entry> failures() {
        return List.copyOf(failures);
    }

    Duration time() {
        return time;
    }

    /// Returns what a reader must know first: what hung, what failed, why nothing ran.
    String note() {
        if (cutOff || (failures.isEmpty() && skips.isEmpty())) {
            return note;
        }
        Entry first = failures.isEmpty() ? skips.getFirst() : failures.getFirst();
        return first.test() + ": " + first.reason();
    }
}
