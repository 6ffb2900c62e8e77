// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.BitSet;
import java.util.function.IntFunction;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;

/// The bytes that every token adds to the text, in one array for the whole vocabulary. Immutable.
final class TokenBytes {
    private final byte[] bytes;
    private final int[] ends;
    private final BitSet byteTokens;

    private TokenBytes(byte[] bytes, int[] ends, BitSet byteTokens) {
        this.bytes = bytes;
        this.ends = ends;
        this.byteTokens = byteTokens;
    }

    /// Creates the bytes of a vocabulary.
    ///
    /// @param isByte whether a token is one raw byte, which need not be a character
    static TokenBytes of(int vocabularySize, IntFunction<byte[]> bytesOf, IntPredicate isByte) {
        var all = new ByteArrayOutputStream(vocabularySize * 8);
        int[] ends = new int[vocabularySize];
        for (int id = 0; id < vocabularySize; id++) {
            all.writeBytes(bytesOf.apply(id));
            ends[id] = all.size();
        }
        var byteTokens = new BitSet();
        IntStream.range(0, vocabularySize).filter(isByte).forEach(byteTokens::set);
        return new TokenBytes(all.toByteArray(), ends, byteTokens);
    }

    /// Returns the bytes of a piece in the byte-level alphabet; a piece with a character outside it
    /// is literal text.
    static byte[] ofByteLevel(String piece) {
        byte[] result = new byte[piece.length()];
        for (int i = 0; i < piece.length(); i++) {
            int b = ByteLevel.byteOf(piece.charAt(i));
            if (b < 0) {
                return piece.getBytes(StandardCharsets.UTF_8);
            }
            result[i] = (byte) b;
        }
        return result;
    }

    byte[] of(int id) {
        return Arrays.copyOfRange(bytes, start(id), ends[id]);
    }

    /// Returns whether the token is one raw byte; the bytes of every other token are UTF-8, except
    /// in a byte-level vocabulary.
    boolean isByteToken(int id) {
        return byteTokens.get(id);
    }

    /// Returns the text of a token that is no byte token.
    String text(int id) {
        return new String(bytes, start(id), ends[id] - start(id), StandardCharsets.UTF_8);
    }

    int start(int id) {
        return id == 0 ? 0 : ends[id - 1];
    }

    int end(int id) {
        return ends[id];
    }

    byte at(int index) {
        return bytes[index];
    }
}
