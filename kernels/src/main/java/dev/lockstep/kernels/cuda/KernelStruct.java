// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import java.util.ArrayList;
import java.util.List;

/// A struct that a kernel reads, laid out as C++ does it: fields in order, each at a multiple of
/// the alignment of its type. A test compares it with the layout that the compiler of kernels
/// gives.
final class KernelStruct {
    enum NumberType {
        I32(4),
        I64(8),
        F32(4),
        F64(8),
        POINTER(8);

        private final int bytes;

        NumberType(int bytes) {
            this.bytes = bytes;
        }

        int bytes() {
            return bytes;
        }
    }

    /// A number at its offset in the whole struct.
    record Leaf(NumberType number, int offset) {}

    record Field(String name, int offset, int bytes) {}

    /// A matrix in device memory: `View` of `ls_types.cuh`.
    static final KernelStruct VIEW =
            named("View").pointer("data").i32("rows").i32("columns").i64("stride");

    /// Where a kernel reports an index out of range, and the number of the [CheckedIndex].
    static final KernelStruct REPORT = named("Report").pointer("word").i64("op");

    private final String name;
    private final List<Field> fields;
    private final List<Leaf> leaves;
    private final int alignment;
    private final int end;

    private KernelStruct(
            String name, List<Field> fields, List<Leaf> leaves, int alignment, int end) {
        this.name = name;
        this.fields = List.copyOf(fields);
        this.leaves = List.copyOf(leaves);
        this.alignment = alignment;
        this.end = end;
    }

    /// Returns a struct without fields; the methods below return one with a field more.
    static KernelStruct named(String name) {
        return new KernelStruct(name, List.of(), List.of(), 1, 0);
    }

    KernelStruct pointer(String field) {
        return with(field, NumberType.POINTER);
    }

    KernelStruct i32(String field) {
        return with(field, NumberType.I32);
    }

    KernelStruct i64(String field) {
        return with(field, NumberType.I64);
    }

    KernelStruct f32(String field) {
        return with(field, NumberType.F32);
    }

    KernelStruct f64(String field) {
        return with(field, NumberType.F64);
    }

    KernelStruct view(String field) {
        return struct(field, VIEW);
    }

    KernelStruct report() {
        return struct("report", REPORT);
    }

    KernelStruct struct(String field, KernelStruct type) {
        return with(field, type.leaves, type.alignment, type.bytes());
    }

    private KernelStruct with(String field, NumberType number) {
        return with(field, List.of(new Leaf(number, 0)), number.bytes(), number.bytes());
    }

    private KernelStruct with(String field, List<Leaf> inside, int aligned, int bytes) {
        int offset = roundUp(end, aligned);
        var allFields = new ArrayList<>(fields);
        allFields.add(new Field(field, offset, bytes));
        var allLeaves = new ArrayList<>(leaves);
        inside.forEach(leaf -> allLeaves.add(new Leaf(leaf.number(), offset + leaf.offset())));
        return new KernelStruct(
                name, allFields, allLeaves, Math.max(alignment, aligned), offset + bytes);
    }

    String name() {
        return name;
    }

    List<Field> fields() {
        return fields;
    }

    /// Returns the numbers of the struct and of the structs in it, in order.
    List<Leaf> leaves() {
        return leaves;
    }

    int bytes() {
        return roundUp(end, alignment);
    }

    private static int roundUp(int value, int multiple) {
        return (value + multiple - 1) / multiple * multiple;
    }
}
