// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.gpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.gpu.WatchedProcess.Ending;
import dev.lockstep.gpu.WatchedProcess.Result;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class CheckReportTest {
    @TempDir private Path folder;

    private static CheckedStep step(String name, Ending ending, int code, Line... lines) {
        var step = new CheckedStep(name);
        List.of(lines).forEach(step::accept);
        step.end(new Result(ending, code, List.of("the last line")), Duration.ofSeconds(2));
        return step;
    }

    private static Line line(Line.Kind kind, String text) {
        return new Line(kind, "test()", text);
    }

    private static CheckedStep passed() {
        return step("good", Ending.EXITED, 0, line(Line.Kind.PASSED, "12"));
    }

    private static List<CheckedStep> every() {
        return List.of(
                step("wrong", Ending.EXITED, 0, line(Line.Kind.FAILED, "1 is not 2")),
                step("hung", Ending.SILENT, -1, line(Line.Kind.STARTED, "")),
                passed(),
                CheckedStep.notRun("none", "no time was left"),
                step("crashed", Ending.EXITED, 134, line(Line.Kind.STARTED, "")),
                step("late", Ending.LATE, -1, line(Line.Kind.STARTED, "")),
                step("apart", Ending.EXITED, 0, line(Line.Kind.SKIPPED, "one GPU")),
                step("empty", Ending.EXITED, 0));
    }

    @Test
    void theWorstNewsIsLast() {
        String table = new CheckReport(Map.of(), every(), true).table();
        assertEquals(
                List.of(
                        "result step passed skipped failed seconds note",
                        "passed good 1 0 0 2.0",
                        "skipped apart 0 1 0 2.0 test(): one GPU",
                        "not run none 0 0 0 0.0 no time was left",
                        "cut off hung 0 0 0 2.0 hung and was cut off in test()",
                        "cut off late 0 0 0 2.0 was cut off, no time was left in test()",
                        "failed crashed 0 0 1 2.0 crashed: ended with status 134 in test(): the last line",
                        "failed empty 0 0 1 2.0 empty: ran no test",
                        "failed wrong 0 0 1 2.0 test(): 1 is not 2"),
                table.lines().map(line -> line.replaceAll(" +", " ").strip()).toList());
    }

    @Test
    void aCheckPassesIfAStepPassedAndNoneIsWorseThanSkipped() {
        for (CheckedStep each : every()) {
            boolean harmless = each.name().equals("good") || each.name().equals("apart");
            assertEquals(
                    harmless,
                    new CheckReport(Map.of(), List.of(passed(), each), true).passed(),
                    each.name());
        }
        CheckedStep skipped = every().get(6);
        assertFalse(new CheckReport(Map.of(), List.of(skipped), true).passed());
    }

    @Test
    void theFileHasFactsStepsAndReasons() throws IOException {
        JsonNode report = written(new CheckReport(Map.of("NCCL", "22703"), every(), true));
        assertTrue(report.get("complete").booleanValue());
        assertFalse(report.get("passed").booleanValue());
        assertEquals("22703", report.get("facts").get("NCCL").textValue());
        JsonNode last = report.get("steps").get(7);
        assertEquals("wrong", last.get("name").textValue());
        assertEquals("1 is not 2", last.get("failures").get(0).get("reason").textValue());
        JsonNode skipped = report.get("steps").get(1);
        assertEquals("one GPU", skipped.get("skips").get(0).get("reason").textValue());
    }

    @Test
    void anUnfinishedReportHasNotPassed() throws IOException {
        JsonNode report = written(new CheckReport(Map.of(), List.of(passed()), false));
        assertFalse(report.get("complete").booleanValue());
        assertFalse(report.get("passed").booleanValue());
    }

    private JsonNode written(CheckReport report) throws IOException {
        Path file = folder.resolve("report.json");
        report.write(file);
        return new ObjectMapper().readTree(file.toFile());
    }

    @Test
    void badOptionsAreNamed() {
        requireRefused("--seconds=x", "--seconds is x, must be a number of seconds");
        requireRefused("--silence=0", "--silence is 0, must be at least 1");
        requireRefused("--only=(", "--only is (, must be a regular expression");
        requireRefused(
                "--fast",
                "--fast is none of --cuda-libraries=PATH, --report=FOLDER, --seconds=N, --silence=N, --only=PATTERN");
    }

    private static void requireRefused(String option, String reason) {
        assertEquals(
                reason,
                assertThrows(IllegalArgumentException.class, () -> CheckOptions.parse(option))
                        .getMessage());
    }
}
