// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.JsonPointer;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CutCheckpointTest {
    private static final String UP = "model.layers.1.mlp.up_proj.weight";
    private static final String NORM = "model.layers.0.input_layernorm.weight";

    @TempDir Path folder;
    private Path source;
    private Path cut;

    /// Rank 1 reads some rows of a matrix, both ask for a vector.
    @BeforeEach
    void cut() throws IOException {
        source = Files.createDirectory(folder.resolve("source"));
        cut = folder.resolve("cut");
        TinyCheckpoint.write(source, 5);
        WeightMatrix up = Checkpoint.open(source).tensor(UP);
        var none = new RankReads();
        var some = new RankReads();
        some.read(up, up, new int[] {7, 8, 40}, 16, 48);
        List.of(none, some).forEach(each -> each.ask(NORM));
        CutRewrite.of(source, cut, List.of(none, some), 2).write((_, _) -> {});
    }

    @Test
    void aRankHasWhatItReads() {
        Checkpoint rank = Checkpoint.open(cut).ofRank(1, 2);
        WeightMatrix whole = Checkpoint.open(source).tensor(UP);
        WeightMatrix own = rank.tensor(UP);
        assertEquals(whole.rows(), own.rows());
        int value = 40 * whole.columns() + 20;
        assertArrayEquals(whole.floats(value, 8), own.floats(value, 8));
        assertArrayEquals(
                Checkpoint.open(source).tensor(NORM).floats(0, 64),
                rank.tensor(NORM).floats(0, 64));
        assertThrows(
                CheckpointException.class,
                () -> Checkpoint.open(cut).ofRank(0, 2).tensor(UP).floats(value, 1));
    }

    @Test
    void theWholeModelIsDescribed() {
        Checkpoint described = Checkpoint.open(cut);
        Checkpoint original = Checkpoint.open(source);
        assertEquals(original.tensorNames(), described.tensorNames());
        assertEquals(original.byteSize(), described.byteSize());
        assertEquals(original.parameterCount(), described.parameterCount());
        assertEquals(original.matrixValues(), described.matrixValues());
        assertEquals(original.config(), described.config());
        assertEquals(original.tokenizerDigest(), described.tokenizerDigest());
    }

    /// The ranks of a group compare digests, and each may have its own files only.
    @Test
    void theDigestDoesNotNeedTheFilesOfRanks() throws IOException {
        String digest = Checkpoint.open(cut).digest();
        assertEquals(digest, Checkpoint.open(cut).ofRank(1, 2).digest());
        String stamp = Checkpoint.open(cut).stamp();
        Files.delete(cut.resolve("model-stage-1-of-2-rank-1-of-2.safetensors"));
        assertEquals(digest, Checkpoint.open(cut).digest());
        assertNotEquals(stamp, Checkpoint.open(cut).stamp());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"format\":1 | \"format\":2 | format is 2, expected 1: convert the model again",
                "\"model-stage-0-of-2.safetensors\" | \"../x.safetensors\" | expected the name of a .safetensors file",
                "\"weight_type\":\"F32\" | \"weight_type\":\"Q9\" | weight_type is Q9, expected a type of this version",
                "\"ranks\":2 | \"ranks\":0 | ranks is 0, expected at least 1",
                "\"files\" | \"fils\" | files",
                "\"first_layers\":[0, | \"first_layers\":[1, | first_layers is",
                "\"stage\":1 | \"stage\":2 | .stage is 2, expected one of the 2 stages",
                "\"stage\":1 | \"stage\":-1 | .stage is -1, expected one of the 2 stages",
                "\"rank\":1 | \"rank\":2 | .rank is 2, expected one of the 2 ranks",
                "\"rank\":1 | \"rank\":-1 | .rank is -1, expected one of the 2 ranks",
                "\"bytes\": | \"bytes\":-1, \"x\": | .bytes is -1",
                "\"shape\":[ | \"shape\":[-1, | .shape is [-1, "
            })
    void aLayoutThatCannotBeReadIsRefused(String text, String other, String expected)
            throws IOException {
        Path layout = cut.resolve("lockstep_cut.json");
        String json = Files.readString(layout);
        assertTrue(json.contains(text), json);
        Files.writeString(layout, json.replace(text, other));
        String refusal =
                String.valueOf(
                        assertThrows(CheckpointException.class, () -> Checkpoint.open(cut))
                                .getMessage());
        assertTrue(refusal.contains("lockstep_cut.json"), refusal);
        assertTrue(refusal.contains(expected), refusal);
    }

    /// Each value in turn is another one: the folder opens, or one line names a file and why.
    @ParameterizedTest
    @ValueSource(strings = {"null", "-1", "2147483647", "0.5", "\"x\"", "[]", "[null]", "{}"})
    void aLayoutOfWhichAnyValueIsAnotherIsReadOrRefused(String other) throws IOException {
        var mapper = new ObjectMapper();
        Path layout = cut.resolve("lockstep_cut.json");
        JsonNode whole = mapper.readTree(Files.readString(layout));
        List<JsonPointer> places = new ArrayList<>();
        collect(whole, JsonPointer.empty(), places);
        assertTrue(places.size() > 50);
        int refused = 0;
        for (JsonPointer place : places) {
            JsonNode changed = whole.deepCopy();
            JsonNode parent = changed.at(place.head());
            String last = place.last().getMatchingProperty();
            if (parent instanceof ObjectNode object) {
                object.set(last, mapper.readTree(other));
            } else {
                ((ArrayNode) parent).set(Integer.parseInt(last), mapper.readTree(other));
            }
            Files.writeString(layout, changed.toString());
            try {
                Checkpoint.open(cut).ofRank(1, 2).config();
            } catch (CheckpointException e) {
                assertTrue(e.getMessage().startsWith(cut.toString()), place + ": " + e);
                refused++;
            } catch (RuntimeException e) {
                throw new AssertionError("%s as %s".formatted(place, other), e);
            }
        }
        assertTrue(refused > 0);
    }

    private static void collect(JsonNode node, JsonPointer place, List<JsonPointer> places) {
        if (!place.matches()) {
            places.add(place);
        }
        node.properties()
                .forEach(
                        each ->
                                collect(
                                        each.getValue(),
                                        place.appendProperty(each.getKey()),
                                        places));
        for (int i = 0; node.isArray() && i < node.size(); i++) {
            collect(node.get(i), place.appendIndex(i), places);
        }
    }
}
