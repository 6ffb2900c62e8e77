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

    record Failure(String test, String reason) {}

    private final String name;
    private final List<Failure> failures = new ArrayList<>();
    private int passed;
    private int skipped;
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
                skipped++;
                running = "";
                note = line.text();
            }
            case FAILED -> {
                failures.add(new Failure(line.name(), line.text()));
                running = "";
            }
            case FACT, CLASS -> {}
        }
    }

    void end(WatchedProcess.Result result, Duration time) {
        this.time = time;
        String during = running.isEmpty() ? "" : " in " + running;
        if (result.cutOff()) {
            cutOff = true;
            note = "hung and was cut off" + during;
        } else if (result.code() != 0) {
            String last = result.output().isEmpty() ? "" : ": " + result.output().getLast();
            failures.add(new Failure(name, "ended with status " + result.code() + during + last));
        } else if (passed + skipped + failures.size() == 0) {
            failures.add(new Failure(name, "ran no test"));
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
        return skipped > 0 ? Outcome.SKIPPED : Outcome.NOT_RUN;
    }

    String name() {
        return name;
    }

    int passed() {
        return passed;
    }

    int skipped() {
        return skipped;
    }

    List<Failure> failures() {
        return List.copyOf(failures);
    }

    Duration time() {
        return time;
    }

    /// Returns what a reader must know first: what hung, what failed, why nothing ran.
    String note() {
        if (cutOff || failures.isEmpty()) {
            return note;
        }
        Failure first = failures.getFirst();
        return first.test() + ": " + first.reason();
    }
}
