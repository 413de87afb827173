//! A guard of a few bytes: every token has a pair of logits, and a text has their sum.

use std::path::Path;

use prost::Message as _;
use tempfile::TempDir;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, tensor_shape_proto, type_proto,
};

/// Words and their logits (innocent, attack).
const WORDS: &[(&str, [f32; 2])] = &[
    ("[PAD]", [0.0, 0.0]),
    ("[UNK]", [0.25, 0.0]),
    ("[CLS]", [0.0, 0.0]),
    ("[SEP]", [0.0, 0.0]),
    ("ignore", [0.0, 3.0]),
    ("instructions", [0.0, 3.0]),
    ("weather", [2.0, 0.0]),
];
const FLOAT: i32 = 1;
const INT64: i32 = 7;

/// A folder with `model.onnx` and `tokenizer.json`.
pub(crate) fn files() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path(), &["input_ids", "attention_mask"]);
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer()).unwrap();
    folder
}

/// Writes the graph with inputs of these names: tokens first, then their mask.
pub(crate) fn write_model(folder: &Path, inputs: &[&str; 2]) {
    let graph = GraphProto {
        name: "tiny".into(),
        node: vec![
            node("Gather", &["words", inputs[0]], "found", vec![]),
            node(
                "Cast",
                &[inputs[1]],
                "kept",
                vec![int("to", i64::from(FLOAT))],
            ),
            node("Unsqueeze", &["kept"], "wide", vec![ints("axes", &[2])]),
            node("Mul", &["found", "wide"], "seen", vec![]),
            node(
                "ReduceSum",
                &["seen"],
                "logits",
                vec![ints("axes", &[1]), int("keepdims", 0)],
            ),
        ],
        initializer: vec![TensorProto {
            name: "words".into(),
            dims: vec![WORDS.len() as i64, 2],
            data_type: FLOAT,
            float_data: WORDS.iter().flat_map(|(_, logits)| *logits).collect(),
            ..TensorProto::default()
        }],
        input: inputs.iter().map(|name| value(name, INT64)).collect(),
        output: vec![value("logits", FLOAT)],
        ..GraphProto::default()
    };
    let model = ModelProto {
        ir_version: 7,
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: 11,
        }],
        graph: Some(graph),
        ..ModelProto::default()
    };
    std::fs::write(folder.join("model.onnx"), model.encode_to_vec()).unwrap();
}

fn tokenizer() -> String {
    let vocabulary: Vec<String> = WORDS
        .iter()
        .enumerate()
        .map(|(id, (word, _))| format!("\"{word}\": {id}"))
        .collect();
    format!(
        r#"{{
            "version": "1.0",
            "normalizer": {{"type": "Lowercase"}},
            "pre_tokenizer": {{"type": "Whitespace"}},
            "post_processor": {{
                "type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]
            }},
            "model": {{
                "type": "WordLevel", "unk_token": "[UNK]", "vocab": {{{}}}
            }}
        }}"#,
        vocabulary.join(", ")
    )
}

fn node(op: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        name: format!("{op}_{output}"),
        op_type: op.into(),
        input: inputs.iter().map(|&name| name.into()).collect(),
        output: vec![output.into()],
        attribute: attributes,
        ..NodeProto::default()
    }
}

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: 2,
        i: value,
        ..AttributeProto::default()
    }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: 7,
        ints: values.to_vec(),
        ..AttributeProto::default()
    }
}

fn value(name: &str, elements: i32) -> ValueInfoProto {
    let free = |name: &str| tensor_shape_proto::Dimension {
        value: Some(tensor_shape_proto::dimension::Value::DimParam(name.into())),
        ..tensor_shape_proto::Dimension::default()
    };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(type_proto::Tensor {
                elem_type: elements,
                shape: Some(TensorShapeProto {
                    dim: vec![free("batch"), free("length")],
                }),
            })),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}
