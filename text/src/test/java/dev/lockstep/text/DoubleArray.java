// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;

/// A simple writer of SentencePiece character maps for tests; replacements are keyed by the
/// replaced text.
final class DoubleArray {
    /// The units reserved for the children of a node: enough for every label, so that nodes never
    /// overlap.
    private static final int WIDTH = 256;

    private DoubleArray() {}

    static byte[] of(Map<String, String> replacements) {
        var texts = new java.io.ByteArrayOutputStream();
        texts.write(0);
        TreeMap<String, Integer> values = new TreeMap<>();
        replacements.forEach(
                (from, to) -> {
                    values.put(from, texts.size());
                    texts.writeBytes(to.getBytes(StandardCharsets.UTF_8));
                    texts.write(0);
                });
        var root = new Node();
        values.forEach(
                (from, value) -> root.insert(from.getBytes(StandardCharsets.UTF_8), 0, value));
        int[] units = new int[WIDTH * (root.count() + 1)];
        units[0] = WIDTH << 10;
        new Layout(units).place(root, WIDTH);
        ByteBuffer out =
                ByteBuffer.allocate(4 + 4 * units.length + texts.size())
                        .order(ByteOrder.LITTLE_ENDIAN);
        out.putInt(4 * units.length);
        for (int unit : units) {
            out.putInt(unit);
        }
        return out.put(texts.toByteArray()).array();
    }

    private static final class Node {
        private final TreeMap<Integer, Node> children = new TreeMap<>();
        private int value = -1;

        void insert(byte[] key, int at, int newValue) {
            if (at == key.length) {
                value = newValue;
            } else {
                children.computeIfAbsent(key[at] & 0xFF, b -> new Node())
                        .insert(key, at + 1, newValue);
            }
        }

        int count() {
            return 1 + children.values().stream().mapToInt(Node::count).sum();
        }
    }

    /// A layout with a separate block for each node.
    private static final class Layout {
        private final int[] units;
        private int next = 2 * WIDTH;

        Layout(int[] units) {
            this.units = units;
        }

        /// Places the value and the children of a node; a child's unit has its label, a flag for a
        /// value, and the distance to its block, whose unit 0 is the value.
        void place(Node node, int block) {
            if (node.value >= 0) {
                units[block] = node.value | Integer.MIN_VALUE;
            }
            node.children.forEach(
                    (label, child) -> {
                        int at = block ^ label;
                        int childBlock = next;
                        next += WIDTH;
                        units[at] =
                                (at ^ childBlock) << 10 | (child.value >= 0 ? 1 << 8 : 0) | label;
                        place(child, childBlock);
                    });
        }
    }
}
