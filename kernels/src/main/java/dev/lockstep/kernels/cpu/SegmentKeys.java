// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.lockstep.kernels.WeightRows;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;

/// The keys of the segments of one load: digests of all that their bytes depend on besides the
/// checkpoint and the layout.
///
/// Of a matrix in a mapped file the first page is covered, which tells apart the experts that lie
/// in one tensor; its content is that of the checkpoint. Other data was computed, such as a
/// transposed matrix, and is covered whole. Segments that are equal in all this have numbers.
final class SegmentKeys {
    private static final int SAMPLE_BYTES = 4096;

    private final Map<String, Integer> uses = new HashMap<>();

    /// Returns the key of the next segment, 64 hexadecimal digits.
    String next(WeightRows source, WeightFormat format) {
        MessageDigest digest = sha256();
        String text =
                "%s\n%s\n%s\n%d %d %d %d %d %b\n"
                        .formatted(
                                source.name(),
                                source.type(),
                                format,
                                source.sourceColumns(),
                                source.columnFrom(),
                                source.columnTo(),
                                source.rows().length,
                                source.data().byteSize(),
                                source.data().isMapped());
        digest.update(text.getBytes(UTF_8));
        ByteBuffer rows = ByteBuffer.allocate(Integer.BYTES * source.rows().length);
        rows.asIntBuffer().put(source.rows());
        digest.update(rows);
        update(digest, source.data());
        String base = HexFormat.of().formatHex(digest.digest());
        int earlier = uses.merge(base, 1, Integer::sum) - 1;
        return earlier == 0 ? base : numbered(base, earlier);
    }

    private static void update(MessageDigest digest, MemorySegment data) {
        long length = data.isMapped() ? Math.min(SAMPLE_BYTES, data.byteSize()) : data.byteSize();
        for (long at = 0; at < length; at += 1 << 30) {
            digest.update(data.asSlice(at, Math.min(1 << 30, length - at)).asByteBuffer());
        }
    }

    private static String numbered(String base, int number) {
        MessageDigest digest = sha256();
        digest.update((base + " " + number).getBytes(UTF_8));
        return HexFormat.of().formatHex(digest.digest());
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException failure) {
            throw new IllegalStateException("every JDK has SHA-256", failure);
        }
    }
}
