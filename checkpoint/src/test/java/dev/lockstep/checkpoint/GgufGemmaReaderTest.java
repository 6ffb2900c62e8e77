// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class GgufGemmaReaderTest {
    private static final List<Integer> WINDOWS = List.of(8, 0, 8);

    @Test
    void layersWithoutAWindowHaveHeadsOfTheirOwn() {
        AttentionConfig read =
                reader("gemma4", GgufGemmaReaderTest::heads).attention(4, WINDOWS).orElseThrow();
        assertEquals(16, read.headDim());
        assertEquals(2, read.kvHeadCount());
        assertEquals(Optional.of(new AttentionConfig.FullHeads(1, 32)), read.full());
    }

    private static void heads(GgufHeader header) {
        header.put("gemma4.attention.key_length", 32);
        header.put("gemma4.attention.key_length_swa", 16);
        header.putIntegers("gemma4.attention.head_count_kv", List.of(2, 1, 2));
    }

    @Test
    void headsThatDifferOtherwiseAreRefused() {
        Refused.naming(
                () ->
                        reader(
                                        "gemma4",
                                        header -> {
                                            header.put("gemma4.attention.key_length", 32);
                                            header.putIntegers(
                                                    "gemma4.attention.head_count_kv",
                                                    List.of(2, 1, 4));
                                        })
                                .attention(4, WINDOWS),
                "gemma4.attention.head_count_kv is [2, 1, 4], expected one number for all layers with a window, and one for the others");
        Refused.naming(
                () ->
                        reader(
                                        "gemma4",
                                        header -> {
                                            heads(header);
                                            header.put("gemma4.attention.value_length", 16);
                                        })
                                .attention(4, WINDOWS),
                "gemma4.attention.value_length is 16, expected 32, the size of a key");
        Refused.naming(
                () -> reader("gemma4", GgufGemmaReaderTest::heads).attention(3, WINDOWS),
                "gemma4.attention.head_count_kv is 2, expected a divisor of the 3 heads");
    }

    @Test
    void layersThatReadEarlierOnesAreFewerThanAll() {
        assertEquals(0, reader("gemma4", _ -> {}).kvReaders(5));
        assertEquals(10, reader("gemma3n", _ -> {}).kvReaders(30));
        assertEquals(0, reader("llama", _ -> {}).kvReaders(30));
        Refused.naming(
                () ->
                        reader(
                                        "gemma3n",
                                        header ->
                                                header.put("gemma3n.attention.shared_kv_layers", 5))
                                .kvReaders(5),
                "gemma3n.attention.shared_kv_layers is 5, expected less than the 5 layers");
    }

    @Test
    void listsHaveAnEntryForEachLayer() {
        GgufGemmaReader reader =
                reader(
                        "gemma3n",
                        header ->
                                header.putIntegers(
                                        "gemma3n.feed_forward_length", List.of(32, 64, 32)));
        assertEquals(Map.of(1, 64), reader.feedForwardSizes(3));
        Refused.naming(
                () -> reader.feedForwards(4),
                "gemma3n.feed_forward_length is 3 entries, expected 4, one per layer");
    }

    @Test
    void embeddingsOfLayersNeedATable() {
        Consumer<GgufHeader> keys =
                header -> header.put("gemma4.embedding_length_per_layer_input", 36);
        Refused.naming(
                () -> reader("gemma4", keys).layerInputs(),
                "gemma4.embedding_length_per_layer_input is 36, expected 0 in a file without per_layer_token_embd.weight");
        assertEquals(Optional.empty(), reader("gemma4", _ -> {}).layerInputs());
    }

    private static GgufGemmaReader reader(String architecture, Consumer<GgufHeader> keys) {
        var header = new GgufHeader();
        keys.accept(header);
        return new GgufGemmaReader(
                new ArchitectureKeys(header.metadata(Path.of("model.gguf")), architecture),
                Map.of());
    }
}
