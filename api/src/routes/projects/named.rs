//! A project as a path names it: by its id or by its slug, as the command line takes it.

use std::borrow::Cow;

use crate::auth::{Caller, Needs, find_project};
use crate::problem::Problem;
use domain::id::ProjectId;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult, Type};
use runtime::app::App;

use super::of_platform;

/// The id of a project, or its slug.
#[derive(Clone, Debug)]
pub enum ProjectName {
    /// Its id.
    Id(ProjectId),
    /// Its slug, which may be nobody's.
    Slug(String),
}

const MAX_SLUG: usize = 48;

impl Type for ProjectName {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "string_project".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            description: Some("The id of a project, or its slug."),
            example: Some("acme".into()),
            pattern: Some("^[0-9A-Za-z-]{3,48}$".to_owned()),
            ..MetaSchema::new("string")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromParameter for ProjectName {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        if let Ok(id) = value.parse() {
            return Ok(Self::Id(id));
        }
        let is_slug = (1..=MAX_SLUG).contains(&value.len())
            && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if is_slug {
            return Ok(Self::Slug(value.to_owned()));
        }
        let right = "it must be the id of a project, as lists show it, or its slug, like acme";
        Err(ParseError::custom(right))
    }
}

impl ProjectName {
    /// The id of the project of that name.
    ///
    /// # Errors
    /// When no project has the slug, or the store is away. Whether there is one of the id is for the caller to find out.
    pub async fn id(&self, app: &App) -> Result<ProjectId, Problem> {
        match self {
            Self::Id(id) => Ok(*id),
            Self::Slug(slug) => {
                find_project(app, slug).await?.ok_or_else(|| Problem::not_found("project"))
            }
        }
    }

    /// The project of that name, if the caller may reach it: users of the platform reach all, others their own.
    ///
    /// # Errors
    /// When they may not reach it, which is answered as if it were not there.
    pub async fn within_reach<N: Needs>(
        &self,
        app: &App,
        caller: &Caller<N>,
    ) -> Result<ProjectId, Problem> {
        let id = self.id(app).await?;
        if id == caller.project || of_platform(caller).is_ok() {
            return Ok(id);
        }
        Err(Problem::not_found("project"))
    }

    /// The project of that name, for what only users of the platform do.
    ///
    /// # Errors
    /// When the caller is not one of them, or no project has the slug.
    pub async fn for_platform<N: Needs>(
        &self,
        app: &App,
        caller: &Caller<N>,
    ) -> Result<ProjectId, Problem> {
        of_platform(caller)?;
        self.id(app).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_slugs_are_read() {
        let read = |text| match ProjectName::parse_from_parameter(text) {
            Ok(ProjectName::Id(_)) => "id",
            Ok(ProjectName::Slug(_)) => "slug",
            Err(_) => "neither",
        };
        for (text, is) in [
            ("01a1f78a-395f-72e5-8000-0ecc6bc1349c", "id"),
            ("acme", "slug"),
            ("acme-2", "slug"),
            ("platform", "slug"),
            ("", "neither"),
            ("ac me", "neither"),
            ("ac%6de", "neither"),
            ("ä", "neither"),
            (&"a".repeat(49), "neither"),
        ] {
            assert_eq!(read(text), is, "{text}");
        }
    }
}
