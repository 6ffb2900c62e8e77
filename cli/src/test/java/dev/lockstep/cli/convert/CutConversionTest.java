// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.model.ModelSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CutConversionTest {
    private static final int[] PROMPT = {5, 77, 412, 130, 9, 41, 800, 3};

    @TempDir Path folder;

    /// `CutRanksTest` runs such folders at more ranks.
    @ParameterizedTest
    @ValueSource(strings = {"none", "int8", "int4", "fp8", "mxfp4"})
    void aModelInStagesHasTheBitsOfTheWholeOne(String type) {
        Path source = Fixtures.require("models/llama");
        Path whole = folder.resolve("whole");
        Path cut = folder.resolve("cut");
        quantizing(source, whole, type).ifPresent(TestConversion::run);
        cut(source, cut, 1, 3, type);
        assertArrayEquals(logits(type.equals("none") ? source : whole), logits(cut));
    }

    @ParameterizedTest
    @CsvSource({"int8, 2", "fp8, 3"})
    void aQuantizedFolderIsThatOfTheWholeOneCutAfterwards(String type, int ranks) throws Exception {
        Path source = Fixtures.require("models/llama");
        Path whole = folder.resolve("whole");
        quantizing(source, whole, type).ifPresent(TestConversion::run);
        cut(whole, folder.resolve("afterwards"), ranks, 2, "none");
        List<String> report = cut(source, folder.resolve("at-once"), ranks, 2, type);
        assertTrue(
                report.getLast()
                        .endsWith(
                                "at-once: %d files for %d ranks in 2 stages"
                                        .formatted(2 + 2 * ranks, ranks)),
                report.getLast());
        Map<String, byte[]> expected = files(folder.resolve("afterwards"));
        Map<String, byte[]> actual = files(folder.resolve("at-once"));
        assertEquals(expected.keySet(), actual.keySet());
        assertTrue(actual.containsKey("tokenizer.json"));
        expected.forEach((name, bytes) -> assertArrayEquals(bytes, actual.get(name), name));
    }

    private static Map<String, byte[]> files(Path folder) throws IOException {
        Map<String, byte[]> contents = new TreeMap<>();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path each : files.toList()) {
                assertFalse(Files.isDirectory(each), each::toString);
                contents.put(String.valueOf(each.getFileName()), Files.readAllBytes(each));
            }
        }
        return contents;
    }

    @Test
    void anInterruptedCutGoesOn() throws Exception {
        Path source = Fixtures.require("models/llama");
        Path whole = folder.resolve("whole");
        Path resumed = folder.resolve("resumed");
        cut(source, whole, 2, 1, "none");
        Map<String, byte[]> expected = files(whole);
        String complete = "model-stage-0-of-1.safetensors";
        String partial = "model-stage-0-of-1-rank-0-of-2.safetensors";
        Files.createDirectory(resumed);
        Files.copy(whole.resolve(complete), resumed.resolve(complete));
        byte[] all = Files.readAllBytes(whole.resolve(partial));
        byte[] half = Arrays.copyOf(all, all.length / 2);
        Files.write(resumed.resolve(partial + ".partial"), half);
        Files.write(resumed.resolve("model-stage-1-of-3.safetensors"), half);
        var before = Files.getLastModifiedTime(resumed.resolve(complete));
        cut(source, resumed, 2, 1, "none");
        assertEquals(before, Files.getLastModifiedTime(resumed.resolve(complete)));
        Map<String, byte[]> actual = files(resumed);
        assertEquals(expected.keySet(), actual.keySet());
        expected.forEach((name, bytes) -> assertArrayEquals(bytes, actual.get(name), name));
        UnusableException refused =
                assertThrows(UnusableException.class, () -> cut(source, resumed, 2, 1, "none"));
        assertTrue(
                String.valueOf(refused.getMessage())
                        .endsWith("lockstep_cut.json exists: remove it first"));
    }

    @Test
    void anotherNumberOfRanksIsRefusedInOneLine() {
        Path cut = folder.resolve("cut");
        cut(Fixtures.require("models/llama"), cut, 2, 2, "none");
        ModelSource model = ModelSource.open(cut);
        model.requireLoadable(2);
        assertEquals(
                "%s was cut for 2 ranks, not 1: use --tensor-parallel=2, or convert the original model for 1"
                        .formatted(cut),
                refusal(() -> model.requireLoadable(1)));
    }

    @Test
    void aMissingOrDamagedFileIsRefusedByName() throws Exception {
        Path cut = folder.resolve("cut");
        cut(Fixtures.require("models/llama"), cut, 2, 1, "none");
        Path own = cut.resolve("model-stage-0-of-1-rank-1-of-2.safetensors");
        byte[] bytes = Files.readAllBytes(own);
        bytes[bytes.length - 5] ^= 1;
        Files.write(own, bytes);
        assertEquals(
                own
                        + " is not the file that lockstep_cut.json describes: it is damaged or of another conversion; copy it again",
                refusal(() -> ModelSource.open(cut).requireLoadable(2)));
        Files.write(own, Arrays.copyOf(bytes, bytes.length - 8));
        assertTrue(
                refusal(() -> ModelSource.open(cut).requireLoadable(2)).startsWith(own.toString()));
        Files.delete(own);
        assertEquals(
                own
                        + " is missing: it has the part of rank 1 in stage 0; copy it from where the model was converted",
                refusal(() -> ModelSource.open(cut).requireLoadable(2)));
        Path shared = cut.resolve("model-stage-0-of-1.safetensors");
        Files.delete(shared);
        assertEquals(
                shared
                        + " is missing: it has what all ranks have alike in stage 0; copy it from where the model was converted",
                refusal(() -> ModelSource.open(cut)));
    }

    @Test
    void aConfigurationThatWasChangedAfterwardsIsRefused() throws Exception {
        Path cut = folder.resolve("cut");
        cut(Fixtures.require("models/llama"), cut, 2, 1, "none");
        Path config = cut.resolve("config.json");
        Files.writeString(config, Files.readString(config) + "\n");
        assertEquals(
                config
                        + " is not the one with which the folder was cut: restore it, or convert the original model again",
                refusal(() -> ModelSource.open(cut)));
    }

    @Test
    void whatCannotBeCutIsRefusedBeforeAnythingIsWritten() {
        Path source = Fixtures.require("models/llama");
        Path target = folder.resolve("target");
        assertEquals(
                "--stages=99: must be between 1 and the 3 layers of " + source,
                refusal(() -> cut(source, target, 2, 99, "none")));
        assertTrue(
                String.valueOf(
                                assertThrows(
                                                UnusableException.class,
                                                () -> cut(source, target, 99, 1, "int8"))
                                        .getMessage())
                        .startsWith("--ranks=99: must be between 1 and the "));
        assertFalse(Files.exists(target));
        cut(source, target, 2, 1, "none");
        assertEquals(
                target + " is cut for ranks: convert the original model",
                unusable(() -> cut(target, folder.resolve("again"), 2, 1, "none")));
        assertEquals(
                target + " is cut for ranks: convert the original model",
                unusable(() -> cut(target, folder.resolve("again"), 3, 1, "int8")));
        Conversion whole = quantizing(target, folder.resolve("again"), "int8").orElseThrow();
        assertEquals(
                target + " is cut for ranks: convert the original model",
                unusable(() -> TestConversion.run(whole)));
        assertFalse(Files.exists(folder.resolve("again")));
    }

    @Test
    void aModelIsNotWrittenOverItself() throws Exception {
        Path source = Files.createDirectory(folder.resolve("source"));
        for (String name : List.of("config.json", "model.safetensors", "tokenizer.json")) {
            Files.copy(Fixtures.require("models/llama").resolve(name), source.resolve(name));
        }
        Path link = Files.createSymbolicLink(folder.resolve("link"), source);
        Path gguf = folder.resolve("model.gguf");
        TestConversion.run(quantizing(source, gguf, "q8_0").orElseThrow());
        Map<String, byte[]> before = files(source);
        for (Path target : List.of(source, link)) {
            String expected = "TARGET is SOURCE, %s: name another one".formatted(source);
            assertEquals(expected, unusable(() -> cut(source, target, 2, 1, "none")));
            assertEquals(expected, unusable(() -> cut(source, target, 2, 1, "int8")));
            Conversion folder = quantizing(source, target, "int8").orElseThrow();
            assertEquals(expected, unusable(() -> TestConversion.run(folder)));
        }
        Conversion file = quantizing(gguf, gguf, "q4_0").orElseThrow();
        assertEquals(
                "TARGET is SOURCE, %s: name another one".formatted(gguf),
                unusable(() -> TestConversion.run(file)));
        assertEquals(before.keySet(), files(source).keySet());
    }

    @Test
    void theWholeFolderOfAnInterruptedRunIsRemoved() throws Exception {
        Path source = Fixtures.require("models/llama");
        Path cut = folder.resolve("cut");
        cut(source, cut, 2, 1, "int8");
        Set<String> complete = files(cut).keySet();
        String key = quantizing(source, cut, "int8").orElseThrow().key();
        leave(cut.resolve(".whole-" + key));
        assertEquals(
                List.of(cut + ": cut for 2 ranks, in 1 stages that begin with layers [0]"),
                cut(source, cut, 2, 1, "int8"));
        assertEquals(complete, files(cut).keySet());
        leave(cut.resolve(".whole-other"));
        assertEquals(
                cut.resolve("lockstep_cut.json") + " exists: remove it first",
                unusable(() -> cut(source, cut, 2, 1, "int8")));
        assertEquals(complete, files(cut).keySet());
    }

    private static void leave(Path whole) throws IOException {
        Files.createDirectory(whole);
        Files.writeString(whole.resolve("model.safetensors"), "whole");
    }

    /// The rows of a head that score are kept whole if the source says which they are.
    @Test
    void aRerankerIsDescribedBeforeItIsCut() throws Exception {
        Path cut = folder.resolve("cut");
        cut(Fixtures.require("models/llama"), cut, 2, 1, "none");
        Files.writeString(
                cut.resolve("reranker.json"),
                """
                {"classifier_from_token": ["a", "b"], "template": "{query} {document}"}
                """);
        assertEquals(
                cut
                        + " was cut without the rows of lm_head.weight that score: put reranker.json beside the original model, then convert that",
                refusal(() -> ModelSource.open(cut)));
    }

    private static String unusable(Runnable call) {
        return String.valueOf(assertThrows(UnusableException.class, call::run).getMessage());
    }

    private static String refusal(Runnable call) {
        return String.valueOf(assertThrows(CheckpointException.class, call::run).getMessage());
    }

    private static List<String> cut(Path source, Path target, int ranks, int stages, String type) {
        return new CutConversion(source, target, ranks, stages, quantizing(source, target, type))
                .run(TestConversion::kernels, 1L << 30, TestConversion.quiet());
    }

    private static Optional<Conversion> quantizing(Path source, Path target, String type) {
        return type.equals("none")
                ? Optional.empty()
                : Optional.of(TestConversion.rounding(source, target, type, List.of()));
    }

    private static float[] logits(Path path) {
        return TestConversion.logits(path, PROMPT);
    }
}
