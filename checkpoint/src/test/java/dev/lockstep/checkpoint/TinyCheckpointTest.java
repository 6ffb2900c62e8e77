// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Tests of a generated model: its content, and every way its folder can be damaged.
class TinyCheckpointTest {
    private static final String INDEX = "model.safetensors.index.json";

    @TempDir Path temporary;

    @Test
    void theSameSeedGivesTheSameModel() throws IOException {
        TinyCheckpoint.write(temporary.resolve("a"), 1);
        TinyCheckpoint.write(temporary.resolve("b"), 1);
        TinyCheckpoint.write(temporary.resolve("c"), 2);
        Checkpoint a = Checkpoint.open(temporary.resolve("a"));
        assertEquals(a.digest(), Checkpoint.open(temporary.resolve("b")).digest());
        assertNotEquals(a.digest(), Checkpoint.open(temporary.resolve("c")).digest());
        assertEquals(
                a.tokenizerDigest(), Checkpoint.open(temporary.resolve("c")).tokenizerDigest());
        assertEquals(TinyCheckpoint.HIDDEN, a.config().hiddenSize());
        assertEquals(List.of(2), a.config().specialIds().eos());
        assertTrue(a.tokenizer().chatTemplate().orElseThrow().text().contains("<|im_start|>"));
    }

    @Test
    void itsTokenizerHasEveryIdOnceAndMergesOnlyKnownTokens() throws IOException {
        TinyCheckpoint.write(temporary, 1);
        TokenizerSource source = TokenizerSource.open(temporary);
        assertTrue(source instanceof TokenizerSource.Folder);
        JsonNode model =
                new ObjectMapper()
                        .readTree(temporary.resolve("tokenizer.json").toFile())
                        .path("model");
        Set<Integer> ids = new HashSet<>();
        model.path("vocab").forEach(id -> ids.add(id.intValue()));
        assertEquals(TinyCheckpoint.VOCABULARY, model.path("vocab").size());
        assertEquals(TinyCheckpoint.VOCABULARY, ids.size());
        assertEquals(TinyCheckpoint.VOCABULARY - 3 - 256, model.path("merges").size());
        for (JsonNode pair : model.path("merges")) {
            String joined = pair.get(0).textValue() + pair.get(1).textValue();
            assertTrue(model.path("vocab").has(pair.get(0).textValue()));
            assertTrue(model.path("vocab").has(pair.get(1).textValue()));
            assertTrue(model.path("vocab").has(joined));
        }
    }

    @Test
    void aShardedModelHasTheSameTensors() throws IOException {
        TinyCheckpoint.write(temporary.resolve("single"), 3);
        TinyCheckpoint.writeSharded(temporary.resolve("sharded"), 3, 3);
        Checkpoint single = Checkpoint.open(temporary.resolve("single"));
        Checkpoint sharded = Checkpoint.open(temporary.resolve("sharded"));
        assertEquals(single.config(), sharded.config());
        assertEquals(single.tensorNames(), sharded.tensorNames());
        for (String name : single.tensorNames()) {
            assertArrayEquals(
                    single.tensor(name).data().toArray(ValueLayout.JAVA_BYTE),
                    sharded.tensor(name).data().toArray(ValueLayout.JAVA_BYTE));
        }
    }

    @Test
    void aMissingShardIsNamed() throws IOException {
        TinyCheckpoint.writeSharded(temporary, 3, 3);
        Files.delete(temporary.resolve("model-00002-of-00003.safetensors"));
        Refused.naming(
                () -> Checkpoint.open(temporary),
                temporary.toString(),
                "model-00002-of-00003.safetensors",
                "download");
    }

    @Test
    void anIndexThatNamesFilesOutsideItsFolderIsRefused() throws IOException {
        TinyCheckpoint.writeSharded(temporary, 3, 2);
        String index = Files.readString(temporary.resolve(INDEX));
        for (String foreign :
                List.of(
                        "../x.safetensors",
                        "/etc/x.safetensors",
                        "a/b.safetensors",
                        "",
                        "..",
                        "x.bin",
                        "C:\\\\x.safetensors")) {
            Files.writeString(
                    temporary.resolve(INDEX),
                    index.replaceFirst(
                            "model-00001-of-00002.safetensors", foreign.replace("\\", "\\\\")));
            Refused.naming(
                    () -> Checkpoint.open(temporary),
                    INDEX,
                    "weight_map.model.embed_tokens.weight");
        }
        Files.writeString(
                temporary.resolve(INDEX), index.replace("lm_head.weight", "lm_head.other"));
        Refused.naming(() -> Checkpoint.open(temporary), INDEX, "lm_head.other", "safetensors");
    }

    @Test
    void aMissingOrCutFileIsNamed() throws IOException {
        TinyCheckpoint.write(temporary, 1);
        for (String name : List.of("config.json", "model.safetensors")) {
            Path file = temporary.resolve(name);
            byte[] whole = Files.readAllBytes(file);
            Files.delete(file);
            Refused.naming(() -> Checkpoint.open(temporary), temporary.toString(), name);
            for (int cut = 0; cut < 20; cut++) {
                Files.write(file, Arrays.copyOf(whole, whole.length * cut / 20));
                Refused.naming(
                        () -> Checkpoint.open(temporary), file.toString(), "download it again");
                Files.delete(file);
            }
            Files.write(file, whole);
        }
        Checkpoint.open(temporary);
    }

    @Test
    void aPathThatIsNotAModelIsRefusedWithWhatToName() throws IOException {
        Refused.naming(() -> Checkpoint.open(temporary.resolve("absent")), "absent does not exist");
        Refused.naming(() -> Checkpoint.open(temporary), "config.json");
        TinyCheckpoint.write(temporary, 1);
        Refused.naming(
                () -> Checkpoint.open(temporary.resolve("model.safetensors")), "name the folder");
        Refused.naming(() -> Checkpoint.open(temporary.resolve("config.json")), "not a GGUF file");
    }

    @Test
    void theTokenizerOpensWithoutWeights() throws IOException {
        TinyCheckpoint.write(temporary, 1);
        String digest = TokenizerSource.open(temporary).digest();
        Files.delete(temporary.resolve("model.safetensors"));
        assertEquals(digest, TokenizerSource.open(temporary).digest());
        Files.writeString(temporary.resolve("chat_template.jinja"), "own {{ file }}");
        TokenizerSource changed = TokenizerSource.open(temporary);
        assertNotEquals(digest, changed.digest());
        assertEquals(
                new TokenizerSource.Template(
                        temporary.resolve("chat_template.jinja").toString(), "own {{ file }}"),
                changed.chatTemplate().orElseThrow());
        Files.delete(temporary.resolve("chat_template.jinja"));
        Files.writeString(
                temporary.resolve("tokenizer_config.json"),
                "{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"t\"}, {\"name\": \"default\", \"template\": \"d\"}]}");
        assertEquals("d", changed.chatTemplate().orElseThrow().text());
        Files.delete(temporary.resolve("tokenizer.json"));
        assertTrue(!changed.hasTokenizer());
    }

    @Test
    void theStampChangesWhenAFileIsWrittenTo() throws IOException {
        TinyCheckpoint.write(temporary, 1);
        String stamp = Checkpoint.open(temporary).stamp();
        assertEquals(stamp, Checkpoint.open(temporary).stamp());
        Path weights = temporary.resolve("model.safetensors");
        Files.setLastModifiedTime(
                weights,
                FileTime.from(Files.getLastModifiedTime(weights).toInstant().plusNanos(1000)));
        assertNotEquals(stamp, Checkpoint.open(temporary).stamp());
    }

    @Test
    void theDigestCoversConfigurationSizeAndSampledBytes() throws IOException {
        TinyCheckpoint.write(temporary, 1);
        String digest = Checkpoint.open(temporary).digest();
        Path config = temporary.resolve("config.json");
        String text = Files.readString(config);
        Files.writeString(config, text.replace("10000.0", "20000.0"));
        assertNotEquals(digest, Checkpoint.open(temporary).digest());
        Files.writeString(config, text);
        assertEquals(digest, Checkpoint.open(temporary).digest());
        Path weights = temporary.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        bytes[bytes.length - 1] ^= 1;
        Path copy = temporary.resolve("copy");
        Files.createDirectories(copy);
        Files.writeString(copy.resolve("config.json"), text);
        Files.copy(
                temporary.resolve("generation_config.json"),
                copy.resolve("generation_config.json"));
        Files.write(copy.resolve("model.safetensors"), bytes);
        assertNotEquals(digest, Checkpoint.open(copy).digest());
    }
}
