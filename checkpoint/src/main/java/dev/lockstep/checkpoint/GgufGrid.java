// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Objects;

/// A codebook of GGUF's IQ types: an index stands for 8 numbers of 2 bits, or for 4 of 4 bits. The
/// entries are those of llama.cpp; `src/test/python/write_grids.py` wrote them.
///
/// @param entries 16 bits each
public record GgufGrid(short[] entries, int bits) {
    static final GgufGrid IQ1_S;
    static final GgufGrid IQ2_XXS;
    static final GgufGrid IQ2_XS;
    static final GgufGrid IQ2_S;
    static final GgufGrid IQ3_XXS;
    static final GgufGrid IQ3_S;

    static {
        Map<String, byte[]> grids = read();
        IQ1_S = of(grids, "IQ1_S", 2);
        IQ2_XXS = of(grids, "IQ2_XXS", 2);
        IQ2_XS = of(grids, "IQ2_XS", 2);
        IQ2_S = of(grids, "IQ2_S", 2);
        IQ3_XXS = of(grids, "IQ3_XXS", 4);
        IQ3_S = of(grids, "IQ3_S", 4);
    }

    /// Returns all grids by the names of the types.
    public static Map<String, GgufGrid> byType() {
        return Map.of(
                "IQ1_S", IQ1_S, "IQ2_XXS", IQ2_XXS, "IQ2_XS", IQ2_XS, "IQ2_S", IQ2_S, "IQ3_XXS",
                IQ3_XXS, "IQ3_S", IQ3_S);
    }

    /// Returns number `place` of an entry.
    int at(int index, int place) {
        return (entries[index] >> (place * bits)) & ((1 << bits) - 1);
    }

    private static GgufGrid of(Map<String, byte[]> grids, String name, int bits) {
        byte[] bytes = Objects.requireNonNull(grids.get(name), name);
        short[] entries = new short[bytes.length / 2];
        for (int i = 0; i < entries.length; i++) {
            entries[i] = (short) ((bytes[2 * i] & 255) | (bytes[2 * i + 1] << 8));
        }
        return new GgufGrid(entries, bits);
    }

    private static Map<String, byte[]> read() {
        try (InputStream in = GgufGrid.class.getResourceAsStream("gguf-grids.txt")) {
            String text =
                    new String(
                            Objects.requireNonNull(in, "gguf-grids.txt").readAllBytes(), US_ASCII);
            Map<String, byte[]> grids = new HashMap<>();
            for (String line : text.lines().toList()) {
                int space = line.indexOf(' ');
                grids.put(
                        line.substring(0, space),
                        HexFormat.of().parseHex(line.substring(space + 1)));
            }
            return grids;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
