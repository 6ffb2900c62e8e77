// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/// Writes a file of packed weights: under another name, then moved to its place, so that a file
/// with the right name is whole. Its caller holds the folder.
final class PackedWriter {
    private final PackedLabel label;
    private final PackedMemory memory;
    private final PackedOutput.Opener opener;

    PackedWriter(PackedLabel label, PackedMemory memory, PackedOutput.Opener opener) {
        this.label = label;
        this.memory = memory;
        this.opener = opener;
    }

    /// Returns false if the memory was closed before everything was written.
    boolean write(Path file) throws IOException {
        Path folder = file.toAbsolutePath().resolveSibling("");
        Path fresh = Files.createTempFile(folder, "fresh-", PackedFolder.UNFINISHED);
        try (FileChannel channel = FileChannel.open(fresh, StandardOpenOption.WRITE)) {
            if (!write(opener.of(channel))) {
                return false;
            }
            Files.move(
                    fresh,
                    file,
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
            return true;
        } finally {
            Files.deleteIfExists(fresh);
        }
    }

    private boolean write(PackedOutput out) throws IOException {
        List<PackedMemory.Segment> segments = memory.segments();
        List<PackedFile.Segment> written = new ArrayList<>();
        ByteBuffer piece = ByteBuffer.allocateDirect(PackedFile.PIECE_BYTES);
        long at = PackedFile.PREAMBLE_BYTES;
        for (PackedMemory.Segment segment : segments) {
            int[] sums = new int[PackedFile.Segment.pieces(segment.bytes())];
            for (int i = 0; i < sums.length; i++) {
                long offset = (long) i * PackedFile.PIECE_BYTES;
                if (!memory.copy(segment, offset, piece)) {
                    return false;
                }
                sums[i] = PackedFile.sum(piece);
                out.write(piece, at + offset);
            }
            written.add(new PackedFile.Segment(at, segment.bytes(), sums));
            at = CpuMemory.roundUp(at + segment.bytes(), PackedFile.ALIGNMENT);
        }
        ByteBuffer index = index(segments, written);
        out.write(index.duplicate(), at);
        out.write(PackedFile.preamble(label, at, segments.size(), index), 0);
        out.force();
        return true;
    }

    private static ByteBuffer index(
            List<PackedMemory.Segment> segments, List<PackedFile.Segment> written) {
        int bytes = 0;
        for (PackedFile.Segment segment : written) {
            int own = PackedFile.KEY_BYTES + 2 * Long.BYTES + Integer.BYTES * segment.sums().length;
            bytes = Math.addExact(bytes, own);
        }
        ByteBuffer index = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < written.size(); i++) {
            PackedFile.Segment segment = written.get(i);
            index.put(HexFormat.of().parseHex(segments.get(i).key()));
            index.putLong(segment.offset()).putLong(segment.bytes());
            for (int sum : segment.sums()) {
                index.putInt(sum);
            }
        }
        return index.flip();
    }
}
