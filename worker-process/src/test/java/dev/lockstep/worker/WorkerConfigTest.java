// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.model.ModelSource;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WorkerConfigTest {
    private static WorkerConfig config(String... flags) {
        List<String> all = new ArrayList<>(List.of("--zookeeper=localhost:2181"));
        all.addAll(List.of(flags));
        return WorkerConfig.of(
                Settings.parse(WorkerConfig.SPEC, all, Map.of()),
                Path.of("models", "tiny"),
                "tiny",
                TestWorker.RUN_FOLDER);
    }

    private static void assertRefused(String message, String... flags) {
        assertEquals(
                message, assertThrows(SettingsException.class, () -> config(flags)).getMessage());
    }

    @Test
    void settingsThatAreNotGivenHaveTheirDefaults() {
        WorkerConfig config = config();
        assertEquals("default", config.group());
        assertEquals(0, config.rank());
        assertEquals(1, config.tensorParallel());
        assertEquals(Optional.empty(), config.address().host());
        assertEquals("tiny", config.servedModelName());
        assertEquals(Optional.empty(), config.threads());
        assertEquals(List.of(), config.cpus());
        assertFalse(config.oversubscribed());
        assertEquals("auto", config.dtype());
        assertEquals("auto", config.kvDtype());
        assertEquals(Optional.empty(), config.maxModelLen());
        assertEquals(Optional.empty(), config.kvMemory());
        assertEquals(64, config.maxNumSeqs());
        assertEquals(Optional.empty(), config.maxNumBatchedTokens());
        assertFalse(config.parentPipe());
    }

    @Test
    void aRequestedLengthReachesAsFarAsTheRopeIsScaled(@TempDir Path folder) throws Exception {
        TinyCheckpoint.write(folder, 1);
        ModelSource plain = ModelSource.open(folder);
        assertEquals(512, WorkerConfig.maxModelLen(Optional.empty(), plain));
        assertEquals(512, WorkerConfig.maxModelLen(Optional.of(512), plain));
        assertTooLong(
                "--max-model-len 513 exceeds the model's context of 512, which its rope does not scale",
                513,
                plain);
        Path config = folder.resolve("config.json");
        String text = Files.readString(config).replaceAll("\"rope_scaling\"\\s*:\\s*null", "%s");
        for (String type : List.of("linear", "dynamic", "yarn")) {
            String scaling = "\"rope_scaling\": {\"type\": \"%s\", \"factor\": 4}".formatted(type);
            Files.writeString(config, text.formatted(scaling));
            ModelSource scaled = ModelSource.open(folder);
            assertEquals(512, WorkerConfig.maxModelLen(Optional.empty(), scaled));
            assertEquals(2048, WorkerConfig.maxModelLen(Optional.of(2048), scaled));
            assertTooLong(
                    "--max-model-len 2049 exceeds 2048, to which the model's rope scales its context of 512",
                    2049,
                    scaled);
        }
    }

    private static void assertTooLong(String message, int length, ModelSource source) {
        assertEquals(
                message,
                assertThrows(
                                SettingsException.class,
                                () -> WorkerConfig.maxModelLen(Optional.of(length), source))
                        .getMessage());
    }

    @Test
    void givenSettingsAreUsed() {
        WorkerConfig config =
                config(
                        "--rank",
                        "1",
                        "--tensor-parallel=2",
                        "--cpus=0, 3",
                        "--dtype",
                        "bf16",
                        "--kv-dtype=f16",
                        "--kv-memory=1M",
                        "--oversubscribed",
                        "--threads=2",
                        "--served-model-name=mine");
        assertEquals(1, config.rank());
        assertEquals(2, config.tensorParallel());
        assertEquals(List.of(0, 3), config.cpus());
        assertEquals("bf16", config.dtype());
        assertEquals("f16", config.kvDtype());
        assertEquals(Optional.of(1L << 20), config.kvMemory());
        assertTrue(config.oversubscribed());
        assertEquals(Optional.of(2), config.threads());
        assertEquals("mine", config.servedModelName());
    }

    @Test
    void aRankMustBeBelowTheSizeOfItsGroup() {
        assertRefused(
                "--rank 2 must be below --tensor-parallel 2", "--rank=2", "--tensor-parallel=2");
        assertRefused("--rank 1 must be below --tensor-parallel 1", "--rank=1");
    }

    @Test
    void cpusMustBeAListOfNumbers() {
        assertRefused("--cpus: \"0-3\" is not a list of CPU numbers such as 0,1", "--cpus=0-3");
        assertRefused("--cpus: \"0,\" is not a list of CPU numbers such as 0,1", "--cpus=0,");
        assertRefused("--cpus: \"-1\" is not a list of CPU numbers such as 0,1", "--cpus=-1");
    }

    @Test
    void unknownTypesAreRefused() {
        assertRefused("--dtype: \"int8\" is none of auto, f32, bf16", "--dtype=int8");
        assertRefused(
                "--kv-dtype: \"fp4\" is none of auto, f32, f16, bf16, fp8, q8", "--kv-dtype=fp4");
    }

    @Test
    void aWorkerNeedsZooKeeper() {
        SettingsException refusal =
                assertThrows(
                        SettingsException.class,
                        () ->
                                WorkerConfig.of(
                                        Settings.parse(WorkerConfig.SPEC, List.of(), Map.of()),
                                        Path.of("tiny"),
                                        "tiny",
                                        TestWorker.RUN_FOLDER));
        assertTrue((refusal.getMessage() + "").startsWith("--zookeeper is missing"));
    }
}
