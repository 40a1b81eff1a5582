//! Objects of the book that are made, replaced, changed and deleted alike: one table of them.

use super::listed;
use super::written::{Form, refused};
use crate::answer::Answer;
use crate::call::Call;
use crate::doc::{Doc, Gives};
use crate::problem::{
    BAD_ID, BUSINESS_UNIT_NOT_FOUND, CUSTOMER_NOT_FOUND, Code, DISCOUNT_NOT_FOUND, INVALID, PLAN_NOT_FOUND,
    Problem, SUBSCRIPTION_NOT_FOUND, UOM_NOT_FOUND,
};
use crate::route::Route;
use domain::api_key::Scope;
use domain::book_file::{Node, ObjectKind};
use http::{Method, StatusCode};
use operations::book::documents::{self, Changed};
use operations::book::objects;
use operations::lists::Noun;
use uuid::Uuid;

/// An object that bodies write.
#[derive(Clone, Copy)]
pub struct Written {
    pub noun: Noun,
    pub kind: ObjectKind,
    pub missing: Code,
    renamed: &'static [(&'static str, &'static str)],
    left_out: &'static [&'static str],
    /// Members that a PUT leaves as they are unless it sends them.
    stays: &'static [&'static str],
    /// Texts of a new one, unless it says something else.
    begins: &'static [(&'static str, &'static str)],
}

pub const CUSTOMER: Written = Written {
    noun: Noun::Customer,
    kind: ObjectKind::Customer,
    missing: CUSTOMER_NOT_FOUND,
    renamed: &[],
    left_out: &["discount", "paymentmethods"],
    stays: &["accountnumber", "discount", "contacts", "paymentmethods"],
    begins: &[],
};
pub const PLAN: Written = Written {
    noun: Noun::ProductPlan,
    kind: ObjectKind::ProductPlan,
    missing: PLAN_NOT_FOUND,
    renamed: &[],
    left_out: &["status"],
    stays: &["sku", "status", "charges"],
    begins: &[("status", "draft")],
};
pub const UOM: Written = Written {
    noun: Noun::UoM,
    kind: ObjectKind::Uom,
    missing: UOM_NOT_FOUND,
    renamed: &[],
    left_out: &[],
    stays: &["refkey"],
    begins: &[],
};
pub const BUSINESS_UNIT: Written = Written {
    noun: Noun::BusinessUnit,
    kind: ObjectKind::BusinessUnit,
    missing: BUSINESS_UNIT_NOT_FOUND,
    renamed: &[],
    left_out: &[],
    stays: &["refkey"],
    begins: &[],
};
pub const DISCOUNT: Written = Written {
    noun: Noun::Discount,
    kind: ObjectKind::Discount,
    missing: DISCOUNT_NOT_FOUND,
    renamed: &[("DiscountTypeEnum", "type"), ("DiscountExpiryPeriodEnum", "expiryperiod")],
    left_out: &["codes", "discountcodes"],
    stays: &["refkey", "codes"],
    begins: &[("amount", "0")],
};
pub const SUBSCRIPTION: Written = Written {
    noun: Noun::Subscription,
    kind: ObjectKind::Subscription,
    missing: SUBSCRIPTION_NOT_FOUND,
    renamed: &[("CustomPrice", "unitprice")],
    left_out: &["discount", "status"],
    stays: &["subscriptionnumber", "status", "discount", "charges"],
    begins: &[("status", "draft")],
};

impl Written {
    pub fn form(&self) -> Form {
        Form {
            table: self.kind.table(),
            entity: self.noun.entity(),
            renamed: self.renamed,
            left_out: self.left_out,
        }
    }

    /// POST and PUT on the collection, PATCH and DELETE on the object.
    pub fn routes(self, collection: &'static str, one: &'static str, verbs: &[Method]) -> Vec<Route> {
        let noun = self.noun;
        let doc = |about| Doc::new(about, Gives::Object(noun)).written();
        let mut routes = Vec::new();
        for method in verbs {
            routes.push(match *method {
                Method::POST => Route::new(
                    Method::POST,
                    collection,
                    Scope::Write,
                    doc("Make one").success(201),
                    move |call| async move { self.create(call).await },
                )
                .shown_by(move |call| async move { self.made(&call).await }),
                Method::PUT => Route::new(
                    Method::PUT,
                    collection,
                    Scope::Write,
                    doc("Replace one"),
                    move |call| async move { self.replace(call).await },
                )
                .shown_by(move |call| async move {
                    let id = sent_id(&body(&call)?)?;
                    listed::one(&call, noun, id, self.missing).await
                }),
                Method::PATCH => {
                    Route::new(Method::PATCH, one, Scope::Write, doc("Change one"), move |call| async move {
                        self.patch(call).await
                    })
                    .shown_by(move |call| async move { self.shown(&call).await })
                }
                _ => {
                    let doc = Doc::new("Delete one", Gives::Nothing).success(204);
                    Route::new(Method::DELETE, one, Scope::Write, doc, move |call| async move {
                        self.delete(call).await
                    })
                }
            });
        }
        routes
    }

    async fn shown(&self, call: &Call) -> Result<Answer, Problem> {
        listed::one(call, self.noun, path_id(call)?, self.missing).await
    }

    /// What a request has made, with where it is.
    async fn made(&self, call: &Call) -> Result<Answer, Problem> {
        let Some(id) = call.made else { return Err(anyhow::anyhow!("what was made is not known").into()) };
        self.created(call, id).await
    }

    pub async fn created(&self, call: &Call, id: Uuid) -> Result<Answer, Problem> {
        Ok(listed::one(call, self.noun, id, self.missing)
            .await?
            .located(&format!("/v3/{}/{id}", listed::collection(self.noun))))
    }

    /// The document of a new one.
    pub async fn begun(&self, call: &Call, node: &Node) -> Result<Node, Problem> {
        let mut document = self.form().document(call, node).await?;
        for (name, text) in self.begins {
            if document.member(name).is_none_or(|value| *value == Node::Null) {
                document.set(name, Node::Text((*text).to_owned()));
            }
        }
        Ok(document)
    }

    async fn create(self, call: Call) -> Result<Answer, Problem> {
        let node = body(&call)?;
        let mut document = self.begun(&call, &node).await?;
        if self.kind == ObjectKind::Subscription {
            super::subscription_forms::complete(&call, &mut document).await?;
        }
        if self.kind == ObjectKind::Customer {
            super::payment_methods::with_methods(&call, &node, &mut document)?;
        }
        if self.kind == ObjectKind::ProductPlan {
            super::plans::complete(&mut document);
        }
        let id = documents::create(call.ctx(), &call.actor(), self.kind, document)
            .await
            .map_err(|stop| refused(stop, &node, &self.form(), self.missing))?;
        self.created(&call, id).await
    }

    async fn replace(self, call: Call) -> Result<Answer, Problem> {
        let node = body(&call)?;
        let id = sent_id(&node)?;
        let mut document = self.form().document(&call, &node).await?;
        if self.kind == ObjectKind::Subscription {
            super::subscription_forms::name_parts(&call, &mut document).await?;
        }
        self.write(&call, id, &node, move |_, stored| {
            for name in self.stays {
                if !has(&document, self.kind, name)
                    && let Some(value) = stored.member(name)
                {
                    document.set(name, value.clone());
                }
            }
            document
        })
        .await?;
        listed::one(&call, self.noun, id, self.missing).await
    }

    async fn patch(self, call: Call) -> Result<Answer, Problem> {
        let id = path_id(&call)?;
        let node = body(&call)?;
        let mut patch = self.form().document(&call, &node).await?;
        if self.kind == ObjectKind::Subscription {
            super::subscription_forms::name_parts(&call, &mut patch).await?;
        }
        self.write(&call, id, &node, move |_, stored| domain::book_file::merged(self.kind, stored, &patch))
            .await?;
        listed::one(&call, self.noun, id, self.missing).await
    }

    /// Writes what a function makes of the document as it stands.
    pub async fn write(
        &self,
        call: &Call,
        id: Uuid,
        body: &Node,
        edit: impl FnOnce(&str, Node) -> Node,
    ) -> Result<(), Problem> {
        let kind = self.kind;
        documents::change(call.ctx(), &call.actor(), kind, id, |object, stored| {
            let document = edit(&object.key, stored);
            documents::insist_on_name(kind, &object.key, &document)?;
            Ok(Changed::whole(document))
        })
        .await
        .map_err(|stop| refused(stop, body, &self.form(), self.missing))
    }

    async fn delete(self, call: Call) -> Result<Answer, Problem> {
        let told = |stop| refused(stop, &Node::Null, &self.form(), self.missing);
        let key = documents::key_of(call.ctx(), self.kind, path_id(&call)?).await.map_err(told)?;
        objects::delete(call.ctx(), &call.actor(), self.kind, &key).await.map_err(told)?;
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }
}

/// Whether a document says something of a field, under any of its names.
fn has(document: &Node, kind: ObjectKind, name: &str) -> bool {
    let Some(field) = kind.table().field(name) else { return document.member(name).is_some() };
    std::iter::once(field.name())
        .chain(field.other_names())
        .any(|name| document.member(name).is_some_and(|value| *value != Node::Null))
}

/// The id that stands first in the path.
pub fn path_id(call: &Call) -> Result<Uuid, Problem> {
    call.id(call.parts.first().map_or("", |(name, _)| *name))
}

/// The body, which must be there.
pub fn body(call: &Call) -> Result<Node, Problem> {
    call.json()?.ok_or_else(|| Problem::new(INVALID, "an object is needed in the body"))
}

/// The `ID` of a body that replaces.
pub fn sent_id(node: &Node) -> Result<Uuid, Problem> {
    match node.member("id") {
        Some(Node::Text(text)) => text
            .parse()
            .map_err(|_| Problem::new(BAD_ID, format!("`{text}` is not an id")).at("/ID", "is not a GUID")),
        _ => Err(Problem::new(INVALID, "the ID of what is replaced is missing").at("/ID", "is missing")),
    }
}
